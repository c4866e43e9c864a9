include { givenNumber } from './checks/domains'
include { isAligned } from './checks/files'
include { memoryLimit } from './checks/resources'
include { choosers ; countRuns ; fits ; isWoven ; recipePairs } from './checks/runs'
include { batchSpots ; needsOf } from './checks/tasks'
include { keptFeatures } from './preprocess'

// What ESTIMATE gets of a dataset, from [section meta, files] of its sections, e.g.
// ['embryo', '--method smart:recipe=smart --method pca_smooth:recipe=smart --seeds 1 --times GRAPH:1 ...', [1, 1], [rna.h5ad, protein.h5ad]]:
// files by the numbers of their sections
def toEstimate(dataset, metas, files, plan) {
    def options = plan.options
    def limit = memoryLimit(options.max_memory)
    def fitting = plan.methods.findAll { method -> fits(method, metas.first()) }
    def trained = plan.model ? [] : fitting
    def arguments = trained.collect { method -> "--method ${trainingOf(method, options)}" } + ["--seeds ${options.seeds}"]
    arguments += stageTimes(metas.first(), fitting, plan).collect { stage, times -> "--times ${stage}:${times}" }
    arguments += limit ? ["--max-memory ${(limit.memory.toMega() / 1024).round(1)}"] : []
    def measured = [metas, files].transpose().withIndex(1).collectMany { section, number ->
        [section[0].columns, [section[1]].flatten()].transpose()
            .findAll { column, _path -> !(column in ['spatial', 'image', 'peaks']) }
            .collect { _column, path -> [number, path] }
    }
    return [dataset, arguments.join(' '), measured.collect { number, _path -> number }, measured.collect { _number, path -> path }]
}

// A method and what the memory of its trainings depends on, e.g. 'spamca_paper:recipe=spatialglue,row=spamca,processes=4'
def trainingOf(method, options) {
    def row = needsOf('TRAIN', method.name).method
    def facts = ["recipe=${method.preprocess.baseName}"]
    facts += row && row != method.name ? ["row=${row}"] : []
    def features = keptFeatures(method.preprocess, options)
    facts += features ? ["features=${features}"] : []
    facts += method.most_spots ? ["most_spots=${method.most_spots}"] : []
    facts += method.processes > 1 ? ["processes=${method.processes}"] : []
    def batch = batchSpots(method.settings)
    facts += batch == null ? [] : ["batch_spots=${batch}"]
    return "${method.name}:${facts.join(',')}".toString()
}

// How often each stage runs that not every run has, or not once, e.g. [PREPROCESS: 2, GRAPH: 2, WEAVE: 1, ...]
def stageTimes(meta, methods, plan) {
    def options = plan.options
    def runs = countRuns(methods*.name, methods, meta, options)
    def is_aligned = isAligned(meta, methods, options)
    def is_open = !plan.model && !meta.n_domains && !givenNumber(options)
    def times = [
        GRAPH: recipePairs(methods).size(),
        MAP: plan.model ? 1 : 0,
        ALIGN: is_aligned ? meta.stack.size() - 1 : 0,
        MATCH: is_aligned && !plan.model ? runs : 0,
        SCAN: is_open ? countRuns(choosers(methods, meta), methods, meta, options) : 0,
        WEAVE: isWoven(methods, meta, options) ? 1 : 0,
        ASSESS: options.assess ? 1 : 0,
        CHARACTERISE: options.characterise ? 1 : 0,
        COHORT: options.cohort && meta.cohort ? 1 : 0,
        PASSPORTS: options.passports == 'none' ? 0 : 1,
        EXPORT: options.export == 'none' ? 0 : 1,
        SAVE_MODEL: plan.saved.size(),
    ]
    return times.findAll { _stage, number -> number > 0 }
}

// What the tasks of a dataset are expected to need: memory, time and disk, by the headers of its files and a table of measurements.
process ESTIMATE {
    tag "${dataset}"
    label 'small'

    input:
    tuple val(dataset), val(arguments), val(sections), path(files, stageAs: 'input?/*')
    path table
    val code

    output:
    stdout

    script:
    def inputs = [sections, files instanceof List ? files : [files]].transpose().collect { number, path -> "--file ${number}:${path}" }.join(' ')
    """
    # code ${code}
    estimate.py --dataset '${dataset}' ${inputs} --resources ${table} ${arguments}
    """

    stub:
    """
    echo '${dataset}: no estimate in a stub run'
    """
}
