// The folder of checkpoints as text, e.g. '/data/run/checkpoints', or null without --checkpoint_dir. A path would be hashed
// with its date, so that every new checkpoint in it would make -resume train all methods again.
def checkpointFolder(given) {
    if (!given) {
        return null
    }
    def executor = workflow.session.config.process?.executor
    if (executor in ['awsbatch', 'azurebatch', 'google-batch']) {
        error("--checkpoint_dir: tasks of ${executor} share no folder with this machine; leave it out")
    }
    def folder = workflow.launchDir.resolve(given.toString()).toString()
    // Container engines can bind only a folder that exists.
    file(folder, glob: false).mkdirs()
    return folder
}
