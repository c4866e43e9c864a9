// When and how this run was started, for the reports.

// As JSON in base64, which is safe on a command line. Call it inside of a script block: a task is not repeated because of another
// date or command, and its report then tells of the run that made it.
def runRecord() {
    def record = [
        started: workflow.start.toString(),
        command: workflow.commandLine,
        name: workflow.runName,
        profile: workflow.profile,
        commit: workflow.commitId,
        nextflow: nextflow.version.toString(),
    ]
    return groovy.json.JsonOutput.toJson(record).bytes.encodeBase64().toString()
}
