// What failed: if a method fails, the run goes on without it, and the reports tell of it.

include { noteFolder } from './tasks'

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
