// The folder of checkpoints as text, null where none is wanted: as a path it would be hashed with its date, and every
// checkpoint in it would have all methods trained again.
def checkpointFolder(given) {
    if (!given) {
        return null
    }
    def executor = workflow.session.config.process?.executor
    if (executor in ['awsbatch', 'azurebatch', 'google-batch']) {
        error("--checkpoint_dir: tasks of ${executor} share no folder with this machine; leave it out")
    }
    def folder = workflow.launchDir.resolve(given.toString()).toString()
    // Containers bind what is there.
    file(folder, glob: false).mkdirs()
    return folder
}
