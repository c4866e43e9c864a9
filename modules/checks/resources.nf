// What tasks ask for, and are expected to need. The table assets/resources.csv is made of measurements by
// benchmarks/resources.py: per stage, and of trainings per method, a constant and a factor on the size of the input files, of which
// those beyond the bend count by a fraction only: such large datasets are trained on by tiles, or sampled.

include { refuseParameters } from './refusals'

// The row of a stage or, of TRAIN, of a method; methods that were not measured have the row without one, e.g.
// [stage: 'TRAIN', method: 'smart', gb: '1.1', gb_per_gb: '40', seconds: '2', seconds_per_gb: '900', output_per_gb: '1.1', largest_gb: '0.4', bend_gb: '0.06', beyond: '0.1']
def needsOf(stage, method) {
    def rows = file("${projectDir}/assets/resources.csv").splitCsv(header: true).findAll { row -> row.stage == stage }
    return rows.find { row -> row.method == method } ?: rows.find { row -> row.method == '' }
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
def expectedMemory(stage, files, method = '') {
    def needs = needsOf(stage, method)
    def inputs = bytesOf(files) / 1e9
    def bend = needs.bend_gb as double
    def counted = bend && inputs > bend ? bend + (needs.beyond as double) * (inputs - bend) : inputs
    return MemoryUnit.of((((needs.gb as double) + (needs.gb_per_gb as double) * counted) * 1024 ** 3) as long)
}

// Memory that a task asks for: 4 GB at least, and four times as much at every further attempt.
def requestedMemory(stage, files, attempt, method = '') {
    def expected = expectedMemory(stage, files, method)
    return (expected > 4.GB ? expected : 4.GB) * 4 ** (attempt - 1)
}

// One CPU, and one more for every 8 MB of latents, which is 20,000 spots; 8 at most. Smaller trainings are no faster with a second
// thread (36 x 36 spots: 5.1 CPU seconds with one, 7.3 with two), and threads that share a CPU slow each other down.
def trainingCpus(latents) {
    return [1 + latents.size().intdiv(8 * 1024 ** 2), 8].min() as int
}

// Stops a run whose trainings are to share nodes where that is not possible.
def checkNodes(options) {
    def executor = workflow.session.config.process?.executor ?: 'local'
    if (options.nodes > 1 && (executor != 'slurm' || workflow.containerEngine)) {
        def found = executor != 'slurm' ? "the tasks of executor '${executor}'" : "tasks in containers of ${workflow.containerEngine}"
        refuseParameters(["--nodes ${options.nodes}: ${found} run on one node each; use --gpus, or the profile slurm without containers"])
    }
}

// The memory that a task may have, of --max_memory; null where it is not given.
def memoryLimit(text) {
    return text ? MemoryUnit.of(text) : null
}

// Why methods cannot be trained on these latents within a limit, e.g.
// 'spamo needs about 75.4 GB to train on embryo, more than --max_memory 24 GB: leave it out of --methods, or raise the limit'
def tooLarge(methods, meta, latents, limit) {
    def fix = 'leave it out of --methods, or raise the limit'
    return methods
        .collect { method -> [method.name, expectedMemory('TRAIN', latents, method.name) * method.processes] }
        .findAll { _name, expected -> limit && expected > limit }
        .collect { name, expected ->
            "${name} needs about ${(expected.toMega() / 1024).round(1)} GB to train on ${meta.dataset}, more than --max_memory ${limit}: ${fix}".toString()
        }
}
