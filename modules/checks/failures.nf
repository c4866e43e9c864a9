// If a method fails, the run goes on without it. Failures are noted here for the report.

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

// The failures of one dataset so far as JSON text, e.g. of one of which every step has ended.
def failuresOf(dataset) {
    def notes = new groovy.json.JsonSlurper().parseText(readFailures()).findAll { note -> note.dataset == dataset }
    return groovy.json.JsonOutput.prettyPrint(groovy.json.JsonOutput.toJson(notes))
}

// The refusals of INGEST as one text, or null without any; call it when it has looked at every section.
def refusals() {
    def refused = new groovy.json.JsonSlurper().parseText(readFailures()).findAll { note -> note.process == 'INGEST' }
    def lines = refused.collect { note -> "${note.dataset}, ${note.section}: ${note.reason}" }
    return lines ? "${lines.size()} section(s) cannot be read:\n  ${lines.join('\n  ')}".toString() : null
}

// What failed in this run, a line each, e.g. 'TRAIN of embryo, smart, seed 1: ERROR: ...'
def failureLines() {
    // Those of INGEST stop the run with a message of their own.
    return new groovy.json.JsonSlurper().parseText(readFailures()).findAll { note -> note.process != 'INGEST' }.collect { note ->
        def names = [note.dataset, note.section == note.dataset ? null : note.section, note.method, note.seed == null ? null : "seed ${note.seed}"].findAll()
        "${note.process} of ${names.join(', ')}: ${note.reason}".toString()
    }
}

// All notes of this run as JSON text, sorted; call it when every process that may fail has ended.
def readFailures() {
    def notes = noteFolder().exists() ? noteFolder().listFiles().sort { note -> note.name } : []
    return groovy.json.JsonOutput.prettyPrint('[' + notes.collect { note -> note.text }.sort().join(',') + ']')
}
