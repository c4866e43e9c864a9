// A run that fails for one method goes on without it. What failed is noted here for the report.

// Exit codes of a lack of memory, of a signal or of a lost job: worth another attempt with more memory.
def retryable(status) {
    return status in (130..145) + [104, 175, Integer.MAX_VALUE]
}

def noteFolder() {
    return workflow.workDir.resolve("failures/${workflow.runName}")
}

// The error strategy of a step whose failure costs only its own method and seed, or what depends on an alignment.
def retryOrGiveUp(task, meta) {
    if (retryable(task.exitStatus) && task.attempt <= 2) {
        return 'retry'
    }
    def log = task.workDir.resolve('.command.err')
    def lines = log.exists() ? log.readLines().findAll { line -> line.trim() } : []
    // Without the workflow that it is part of: 'TRAIN' for 'INTEGRATE:TRAIN'.
    def process = task.process.tokenize(':').last()
    def note = [
        process: process,
        dataset: meta.dataset,
        // Empty where the step serves all methods (alignment).
        method: meta.method ?: '',
        seed: meta.seed,
        exit: task.exitStatus,
        reason: lines.reverse().find { line -> line.startsWith('ERROR') } ?: (lines ? lines.last() : 'no message; see the log'),
        log: log.toUriString(),
    ]
    noteFolder().mkdirs()
    noteFolder().resolve("${process}.${[meta.dataset, meta.method, meta.seed, meta.moving].findAll().join('.')}.json").text = groovy.json.JsonOutput.toJson(note)
    return 'ignore'
}

// All notes of this run as JSON text, sorted; call it when every step that may fail has ended.
def readFailures() {
    def notes = noteFolder().exists() ? noteFolder().listFiles().sort { note -> note.name } : []
    return groovy.json.JsonOutput.prettyPrint('[' + notes.collect { note -> note.text }.join(',') + ']')
}
