include { executorOf } from './executor'

// The folder of checkpoints as text, e.g. '/data/run/checkpoints', or null without --checkpoint_dir. A path would be hashed
// with its date, so that every new checkpoint in it would make -resume train all methods again.
def checkpointFolder(given) {
    if (!given) {
        return null
    }
    def executor = executorOf(workflow.session.config)
    if (executor in ['awsbatch', 'azurebatch', 'google-batch']) {
        error("--checkpoint_dir: tasks of ${executor} share no folder with this machine; leave it out")
    }
    return workflow.launchDir.resolve(given.toString()).toString()
}

// Container engines can bind only a folder that exists.
def makeFolder(folder) {
    if (folder && !file(folder, glob: false).mkdirs() && !file(folder, glob: false).isDirectory()) {
        error("--checkpoint_dir: ${folder} cannot be made; name a folder that you may write to")
    }
}
