include { givenNumber } from './checks/domains'
include { fits } from './checks/methods'
include { memoryLimit } from './checks/resources'

// What ESTIMATE gets of a dataset, from [section meta, files] of its sections, e.g.
// ['embryo', '--method smart --method pca_smooth --seeds 1', [1, 1], [rna.h5ad, protein.h5ad]]: files by the numbers of their sections
def toEstimate(dataset, metas, files, methods, options) {
    def limit = memoryLimit(options.max_memory)
    def arguments = methods.findAll { method -> fits(method, metas.first()) }.collect { method -> "--method ${method.name}" } + ["--seeds ${options.seeds}"]
    arguments += metas.first().n_domains || givenNumber(options) ? [] : ['--scan']
    arguments += limit ? ["--max-memory ${limit.toGiga()}"] : []
    def measured = [metas, files].transpose().withIndex(1).collectMany { section, number ->
        [section[0].columns, [section[1]].flatten()].transpose()
            .findAll { column, _path -> !(column in ['spatial', 'image', 'peaks']) }
            .collect { _column, path -> [number, path] }
    }
    return [dataset, arguments.join(' '), measured.collect { number, _path -> number }, measured.collect { _number, path -> path }]
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
