// What a run is to do, from its parameters; and every mistake in them, before any task.

include { characterisedRuns ; checkRoots ; givenFile ; pseudotimeRoots } from './annotations'
include { checkpointFolder ; makeFolder           } from './checkpoints'
include { numberRange                             } from './domains'
include { checkEnvironments                       } from './environments'
include { checkReference ; warnOfIdle ; warnOfNoCohort } from './idle'
include { checkFit ; checkMembers ; chooseMethods } from './methods'
include { givenModel ; savedRuns                  } from './models'
include { asText ; resolveParams                  } from './params'
include { attempt ; refuse                        } from './refusals'
include { checkNodes                              } from './resources'
include { readSamplesheet                         } from './samplesheet'

// E.g. [given: [simulate: 'test', seeds: 1, ...], options: [...], model: null, methods: [[name: 'smart', ...], ...], notices: [],
// saved: ['smart.seed1'], sets: [runs: [], gene_sets: [], panel: [], roots: [embryo: 3]], sections: null]; `given` is what the
// reports show, `sections` those of --input.
def planOf(params) {
    def refusals = []
    def given = attempt(refusals) { -> resolveParams(params) }
    // Files are looked for although a parameter is wrong.
    def named = params.collectEntries { name, value -> [name, asText(value)] }.findAll { _name, value -> value instanceof CharSequence }
    def sets = ['gene_sets', 'panel'].collectEntries { name -> [name, attempt(refusals) { -> givenFile(named, name) }] }
    def sections = named.input ? attempt(refusals) { -> readSamplesheet(named.input, named.data) } : null
    def chosen = given ? chosenBy(given, params, sections, refusals) : null
    refuse(refusals)
    makeFolder(chosen.options.checkpoint_dir)
    return [
        given: given,
        options: chosen.options,
        model: chosen.model,
        methods: chosen.methods,
        notices: chosen.notices,
        saved: chosen.saved,
        sets: sets + [runs: chosen.runs, roots: chosen.roots],
        sections: sections,
    ]
}

// The part of a plan that follows from the parameters' values; what they name in vain is added to `refusals`.
def chosenBy(given, params, sections, refusals) {
    def model = attempt(refusals) { -> givenModel(given, params) }
    // A saved model takes the place of the methods: one run, which is compared with no other.
    def options = given + (model ? [seeds: 1, seed: model.seed, weave: false, assess: false] : [:])
    def roots = pseudotimeRoots(options)
    attempt(refusals) { -> checkNodes(options) }
    attempt(refusals) { -> numberRange(options) }
    if (sections) {
        attempt(refusals) { -> checkRoots(sections, roots) }
    }
    def ready = given.reference ? [methods: [model], notices: []] : attempt(refusals) { -> checkEnvironments(chooseMethods(options), options) }
    // Without its methods no more can be said of a run.
    if (!ready || given.reference && !model) {
        return null
    }
    if (sections) {
        attempt(refusals) { -> checkFit(sections, ready.methods) }
        attempt(refusals) { -> checkReference(sections, options) }
        warnOfNoCohort(sections, options)
    }
    attempt(refusals) { -> checkMembers(options, ready.methods) }
    warnOfIdle(options, ready.methods, sections)
    return ready + [
        options: options + [checkpoint_dir: attempt(refusals) { -> checkpointFolder(given.checkpoint_dir) }],
        model: model,
        roots: roots,
        saved: attempt(refusals) { -> savedRuns(options, ready.methods) },
        runs: attempt(refusals) { -> characterisedRuns(options, ready.methods) },
    ]
}

// The sections of a simulated tissue's samplesheet that fit the plan, e.g.
// [[[dataset: 'embryo', section: 'embryo', platform: 'dbit', columns: ['rna', 'adt'], ...], [rna.h5ad, protein.h5ad]], ...]
def plannedSections(sheet, plan) {
    return checkRoots(checkFit(readSamplesheet(sheet), plan.methods), plan.sets.roots)
}
