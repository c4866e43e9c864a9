// What fits: nodes, the memory that there is, and the methods that need more.

include { executorOf ; isLocal     } from './executor'
include { refuseParameters         } from './refusals'
include { expectedMemory ; needsOf } from './tasks'

// Stops a run whose trainings are to share nodes where that is not possible.
def checkNodes(options) {
    def executor = executorOf(workflow.session.config)
    if (options.nodes > 1 && (executor != 'slurm' || workflow.containerEngine)) {
        def found = executor != 'slurm' ? "the tasks of executor '${executor}'" : "tasks in containers of ${workflow.containerEngine}"
        refuseParameters(["--nodes ${options.nodes}: ${found} run on one node each; use --gpus, or the profile slurm without containers"])
    }
}

// The memory that a task may have, of --max_memory, else of this machine where all tasks run on it; null where it is not known. E.g.
// [memory: 24 GB, name: '--max_memory 24 GB', fix: 'raise the limit to train it', guesses: true]; `guesses`: whether it holds for methods that
// were not measured, too. --max_memory is taken as it is, so that whoever knows better can train what the table says is too large.
def memoryLimit(text) {
    if (text) {
        def most = MemoryUnit.of(text)
        return [memory: most, name: "--max_memory ${most}", fix: 'raise the limit to train it', guesses: true]
    }
    if (!isLocal(workflow.session.config)) {
        return null
    }
    def here = MemoryUnit.of(java.lang.management.ManagementFactory.operatingSystemMXBean.totalPhysicalMemorySize as long)
    def name = "the ${(here.toMega() / 1024).round(1)} GB of this machine"
    return [memory: here, name: name, fix: 'give --max_memory to train it all the same', guesses: false]
}

// By name why methods cannot be trained on these latents within a limit, e.g.
// [spamo: 'needs about 75.4 GB to train, more than --max_memory 24 GB']
def tooLarge(methods, latents, limit) {
    return methods
        .findAll { method -> limit && (limit.guesses || needsOf('TRAIN', method.name).method) }
        .collect { method -> [method.name, expectedMemory('TRAIN', latents, method.name, method.settings) * method.processes] }
        .findAll { _name, expected -> expected > limit.memory }
        .collectEntries { name, expected ->
            [name, "needs about ${(expected.toMega() / 1024).round(1)} GB to train, more than ${limit.name}".toString()]
        }
}

// How many spots of a section QC has kept, of the modality that has most of them, by its tables; 0 in a stub run.
def keptSpots(files) {
    def summary = [files].flatten().find { path -> path.name.endsWith('.qc_summary.csv') && path.size() > 0 }
    def rows = summary ? summary.splitCsv(header: true).findAll { row -> row.unit == 'spots' && row.check == 'any' } : []
    return rows.collect { row -> row.n_after as long }.max() ?: 0L
}
