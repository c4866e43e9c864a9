// Parameters that are given and have no effect in this run: what the user wanted does not happen, so each is warned of.

include { cohortObstacle                } from './cohorts'
include { givenNumber                   } from './domains'
include { readSchema ; schemaProperties } from './params'
include { refuseParameters              } from './refusals'

// By parameter why it has no effect in this run, '' where it has, e.g. [weave_members: '--weave is false', gpus: '', ...]
def reasonsOfIdleness(options, methods, sections) {
    def aligned = options.align || methods.any { method -> method.sections == 'aligned' }
    def numbers = givenNumber(options) || (options.n_domains ?: '').toString().contains('..')
    def chosen = !numbers && (!sections || sections.any { meta, _files -> !meta.n_domains })
    def cohort = options.cohort && (!sections || sections.any { meta, _files -> meta.cohort })
    def shared = methods.any { method -> (method.processes ?: 1) * (method.nodes ?: 1) > 1 }
    return [
        [['align_by', 'align_reflection', 'align_scale', 'match_radius', 'match_percentile'], aligned, 'no sections are aligned; give --align, or a method that needs it'],
        [['weave_members'], options.weave, 'there is no consensus with --weave false'],
        [['characterise_runs', 'pseudotime_root', 'gene_sets', 'panel'], options.characterise, 'nothing is characterised with --characterise false'],
        [['cohort_reference'], cohort, 'no conditions are compared'],
        [['max_domains'], chosen, 'the number of domains, or a range, is given'],
        [['gpus', 'nodes'], shared, 'no method of this run can share a training'],
        [['data'], !options.simulate, 'a simulated tissue has no files'],
    ].collectMany { names, works, why -> names.collect { name -> [name, works ? '' : why] } }.collectEntries()
}

// Warns of every parameter that is given and has no effect.
def warnOfIdle(options, methods, sections) {
    def rules = schemaProperties(readSchema())
    reasonsOfIdleness(options, methods, sections)
        .findAll { name, why -> why && options[name] != null && options[name] != rules[name].default }
        .each { name, why -> log.warn("--${name} ${options[name]} has no effect: ${why}") }
}

// Stops the run if --cohort_reference is not a condition of a dataset whose conditions are compared.
def checkReference(sections, options) {
    def wrong = sections.collect { meta, _files -> meta }.findAll { meta -> meta.cohort }.groupBy { meta -> meta.dataset }.collectEntries { dataset, metas ->
        [dataset, metas.collect { meta -> meta.carried.condition }.unique()]
    }.findAll { _dataset, conditions -> options.cohort && options.cohort_reference && !(options.cohort_reference in conditions) }
    refuseParameters(wrong.collect { dataset, conditions ->
        "--cohort_reference: '${options.cohort_reference}' is not a condition of dataset '${dataset}' (there are ${conditions.join(', ')})"
    })
}

// By dataset why its conditions are not compared, where they are given, e.g. [brain: 'every condition has only one donor (...)', ...]
def reasonsOfNoCohort(sections, options) {
    def carried = sections.collect { meta, _files -> meta }.groupBy { meta -> meta.dataset }.collectEntries { dataset, metas -> [dataset, metas.collect { meta -> meta.carried }] }
    return carried.findAll { _dataset, of -> options.cohort && of.any { section -> section.condition } && cohortObstacle(of) }
        .collectEntries { dataset, of -> [dataset, cohortObstacle(of)] }
}

def warnOfNoCohort(sections, options) {
    reasonsOfNoCohort(sections, options).each { dataset, why -> log.warn("Dataset '${dataset}': its conditions are not compared: ${why}") }
}
