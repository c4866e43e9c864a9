// What tasks ask for, and are expected to need. The table assets/resources.csv is made of measurements by
// benchmarks/resources.py: per stage, and of trainings per method, a constant and a factor on the size of the input files, of which
// those beyond the bend count by a fraction only: such large datasets are trained on by tiles, or sampled.

include { refuseParameters } from './refusals'

// The row of a stage or, of TRAIN, of a method and, of PREPROCESS, of a recipe, e.g.
// [stage: 'TRAIN', method: 'smart', gb: '1.1', gb_per_gb: '40', seconds: '2', seconds_per_gb: '900', output_per_gb: '1.1', largest_gb: '0.4', bend_gb: '0.06', beyond: '0.1']
// A variant that was not measured has the row of the method that it is a variant of; others have the row without a method.
def needsOf(stage, method) {
    def rows = file("${projectDir}/assets/resources.csv").splitCsv(header: true).findAll { row -> row.stage == stage }
    def names = stage == 'TRAIN' ? [method] + ancestors(method) : [method]
    return (names + ['']).findResult { name -> rows.find { row -> row.method == name } }
}

// The method that a method is a variant of, and so on, e.g. ['smart_paper', 'smart'] of smart_released.
def ancestors(method) {
    def preset = file("${projectDir}/assets/methods/${method}.yml")
    def parent = method && preset.exists() ? new org.yaml.snakeyaml.Yaml().load(preset.text).variant_of : null
    return parent ? [parent] + ancestors(parent) : []
}

// Spots of an update that a method's settings name, e.g. 65536 of ['epochs=100', 'batch_spots=65536']; 0: all at once; null: they name none.
def batchSpots(settings) {
    return settings.findResult { setting -> setting ==~ /batch_spots=\d+/ ? setting.tokenize('=').last() as long : null }
}

// Input in GB up to which all spots count, by a row of the table; 0: however much it is. Trainings are by tiles above 100,000 spots
// (spatialweave.io.dataset.ALL_AT_ONCE), or above as many as one update has.
def bendOf(needs, settings) {
    def batch = batchSpots(settings)
    return batch == 0 ? 0 : (needs.bend_gb as double) * [1, (batch ?: 0) / 100_000].max()
}

// Bytes of files, those in folders included: of a folder only what is read as counts, since machines put images beside them.
def bytesOf(files) {
    // Of a task's input the folder itself: what a task sees in its place cannot be walked through.
    return [files].flatten().sum(0L) { path -> path.isDirectory() ? countsIn(path.toRealPath()) : path.size() }
}

def countsIn(folder) {
    def all = folder.name.endsWith('.zarr')
    def found = 0L
    folder.eachFileRecurse(groovy.io.FileType.FILES) { path ->
        found += all || path.name =~ /matrix|exprMat|cell_by_gene/ ? path.size() : 0L
    }
    return found
}

// Memory that a task is expected to need at most, with the margin of the table.
def expectedMemory(stage, files, method = '', settings = []) {
    def needs = needsOf(stage, method)
    def inputs = bytesOf(files) / 1e9
    def bend = bendOf(needs, settings)
    def counted = bend && inputs > bend ? bend + (needs.beyond as double) * (inputs - bend) : inputs
    return MemoryUnit.of((((needs.gb as double) + (needs.gb_per_gb as double) * counted) * 1024 ** 3) as long)
}

// Memory that a task asks for: 4 GB at least, and four times as much at every further attempt.
def requestedMemory(stage, files, attempt, method = '', settings = []) {
    def expected = expectedMemory(stage, files, method, settings)
    return (expected > 4.GB ? expected : 4.GB) * 4 ** (attempt - 1)
}

// One CPU, and one more for every 8 MB of latents, which is 20,000 spots; 8 at most. Smaller trainings are no faster with a second
// thread (36 x 36 spots: 5.1 CPU seconds with one, 7.3 with two), and threads that share a CPU slow each other down.
def trainingCpus(latents) {
    return [1 + latents.size().intdiv(8 * 1024 ** 2), 8].min() as int
}

// Threads of each process of a training; a machine, or a site's limit, may leave it fewer CPUs than processes.
def threadsOf(cpus, processes) {
    return [cpus.intdiv(processes), 1].max() as int
}

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

// The executor of tasks for which no other is selected, by the settings of processes and executors, e.g. 'slurm' of
// [process: [executor: 'slurm', 'withLabel:gpu': [queue: 'gpu']]].
def executorOf(config) {
    def scope = config.executor instanceof Map ? config.executor.name : config.executor
    return config.process?.executor ?: scope ?: System.getenv('NXF_EXECUTOR') ?: 'local'
}

// Whether all tasks run on this machine.
def isLocal(config) {
    def selected = (config.process ?: [:]).values().findAll { value -> value instanceof Map && value.executor }.collect { value -> value.executor }
    return ([executorOf(config)] + selected).every { executor -> executor == 'local' }
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
