// Many samplesheets, sets of parameters and projects through the checks in one process: what each gives, or what stopped it.
// It needs .venv, modules/, assets/, bin/, conf/, environments/, nextflow.config and nextflow_schema.json beside it (tests/checks.py).

include { codeDigest      } from './modules/checks/code'
include { planOf          } from './modules/checks/plan'
include { readSamplesheet } from './modules/checks/samplesheet'
include { resolveParams   } from './modules/checks/params'

// What a check returned, or the message with which it refused; any other end is given as the exception's class.
def outcome(check) {
    try {
        return [accepted: check()]
    }
    catch (Throwable problem) {
        def cause = problem
        while (cause instanceof java.lang.reflect.InvocationTargetException) {
            cause = cause.cause
        }
        return cause instanceof nextflow.exception.WorkflowScriptErrorException ? [refused: cause.message] : [broken: cause.toString()]
    }
}

// What a run with these parameters would do: the preset of each method, and the sections with their files.
def planned(given) {
    def plan = planOf(given)
    return [
        methods: plan.methods.collectEntries { method -> [method.name, method.preset] },
        sections: (plan.sections ?: []).collect { meta, files -> meta + [files: files*.toString()] },
    ]
}

workflow {
    def cases = new groovy.json.JsonSlurper().parse(new File(params.cases))
    def checks = [sheets: { path -> readSamplesheet(path).collect { meta, _files -> meta } }, params: { given -> resolveParams(given) }, plans: { given -> planned(given) }, digests: { folder -> codeDigest(file(folder)) }]
    def found = cases.collectEntries { kind, given -> [kind, given.collect { one -> outcome { checks[kind](one) } }] }
    new File(params.found).text = groovy.json.JsonOutput.toJson(found)
}
