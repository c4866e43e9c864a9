// What the directives of processes are made of: the memory and CPUs that a task asks for, and what becomes of one that fails.
//
// The table assets/resources.csv is made of measurements by benchmarks/resources.py: per stage, and of trainings per method, a
// constant and a factor on the size of the input files, of which those beyond the bend count by a fraction only: such large
// datasets are trained on by tiles, or sampled.

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

// Where the notes of this run are kept, e.g. work/failures/fabulous_monod
def noteFolder() {
    return workflow.workDir.resolve("failures/${workflow.runName}")
}

// The error strategy of a process whose failure affects only its own dataset (QC, PREPROCESS, GRAPH, ASSEMBLE, ...), method and
// seed (TRAIN, CLUSTER, EVALUATE, MATCH), or the methods that need an alignment (ALIGN, STACK).
def retryOrGiveUp(task, meta) {
    // The entry, since Nextflow looks up task.maxRetries by asking for the error strategy.
    if (task.exitStatus in task.ext.retried && task.attempt <= task.get('maxRetries')) {
        return 'retry'
    }
    // A job that the scheduler rejected left neither file. Nextflow waits forever for such a job if it is ignored.
    if (!['.command.begin', '.exitcode'].any { name -> task.workDir.resolve(name).exists() }) {
        return 'finish'
    }
    def log = task.workDir.resolve('.command.err')
    def lines = log.exists() ? log.readLines().findAll { line -> line.trim() } : []
    // The name without that of the workflow: 'TRAIN' for 'INTEGRATE:TRAIN'.
    def process = task.process.tokenize(':').last()
    def note = [
        process: process,
        dataset: meta.dataset,
        // Of INGEST and QC only.
        section: meta.section,
        // Empty for alignment, which serves all methods.
        method: meta.method ?: '',
        seed: meta.seed,
        exit: task.exitStatus,
        reason: lines.reverse().find { line -> line.startsWith('ERROR') } ?: (lines ? lines.last() : 'no message; see the log'),
        log: log.toUriString(),
    ]
    noteFolder().mkdirs()
    // Names of datasets and sections may hold any mark that could separate them here.
    def task_name = [meta.dataset, meta.section, meta.preprocess, meta.graph, meta.method, meta.seed, meta.moving].collect { part -> "${part ?: ''}".toString() }
    noteFolder().resolve("${process}.${task_name.join('\n').md5()}.json").text = groovy.json.JsonOutput.toJson(note)
    return 'ignore'
}

// The error strategy of INGEST: a file that it refuses (exit code 2) does not keep the other sections from being looked at.
def retryOrRefuse(task, meta) {
    return task.exitStatus in task.ext.retried || task.exitStatus == 2 ? retryOrGiveUp(task, meta) : 'finish'
}
