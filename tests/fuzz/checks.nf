// Many samplesheets and sets of parameters through the checks in one process: what each gives, or what stopped it.
// It needs modules/, assets/, bin/ and nextflow_schema.json beside it; the test copies it there.

include { readSamplesheet } from './modules/checks/samplesheet'
include { resolveParams   } from './modules/checks/params'

// What a check returned, or the message with which it refused; any other end is given as the exception's class.
def outcome(check) {
    try {
        return [accepted: check()]
    }
    catch (Throwable problem) {
        def cause = problem instanceof java.lang.reflect.InvocationTargetException ? problem.cause : problem
        return cause instanceof nextflow.exception.WorkflowScriptErrorException ? [refused: cause.message] : [broken: cause.toString()]
    }
}

workflow {
    def cases = new groovy.json.JsonSlurper().parse(new File(params.cases))
    def found = cases.sheets.collect { path -> outcome { readSamplesheet(path).collect { meta, _files -> meta } } }
    def resolved = cases.params.collect { given -> outcome { resolveParams(given) } }
    new File(params.found).text = groovy.json.JsonOutput.toJson([sheets: found, params: resolved])
}
