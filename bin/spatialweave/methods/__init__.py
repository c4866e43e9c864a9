"""The integration methods, one file each: configuration, network, loss."""
