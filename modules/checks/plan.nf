// What a run is to do, from its parameters; and every mistake in them, before any task.

include { characterisedRuns ; checkRoots ; givenFile ; pseudotimeRoots } from './annotations'
include { checkpointFolder         } from './checkpoints'
include { checkEnvironments        } from './environments'
include { chooseMethods ; checkFit } from './methods'
include { givenModel ; savedRuns   } from './models'
include { resolveParams            } from './params'
include { checkNodes               } from './resources'
include { readSamplesheet          } from './samplesheet'

// E.g. [given: [simulate: 'test', seeds: 1, ...], options: [...], model: null, methods: [[name: 'smart', ...], ...], notices: [],
// saved: ['smart.seed1'], sets: [runs: [], gene_sets: [], panel: [], roots: [embryo: 3]]]; `given` is what the reports show.
def planOf(params) {
    def given = resolveParams(params)
    def model = givenModel(given, params)
    // A saved model takes the place of the methods: one run, which is compared with no other.
    def options = given + [checkpoint_dir: checkpointFolder(given.checkpoint_dir)] + (model ? [seeds: 1, seed: model.seed, weave: false, assess: false] : [:])
    checkNodes(options)
    def ready = model ? [methods: [model], notices: []] : checkEnvironments(chooseMethods(options), options)
    return [
        given: given,
        options: options,
        model: model,
        methods: ready.methods,
        notices: ready.notices,
        saved: savedRuns(options, ready.methods),
        sets: [
            gene_sets: givenFile(options, 'gene_sets'),
            panel: givenFile(options, 'panel'),
            runs: characterisedRuns(options, ready.methods),
            roots: pseudotimeRoots(options),
        ],
    ]
}

// The sections of a samplesheet that fit the plan, e.g.
// [[[dataset: 'embryo', section: 'embryo', platform: 'dbit', columns: ['rna', 'adt'], ...], [rna.h5ad, protein.h5ad]], ...]
def plannedSections(sheet, plan, data = null) {
    return checkRoots(checkFit(readSamplesheet(sheet, data), plan.methods), plan.sets.roots)
}
