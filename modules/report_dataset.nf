include { runRecord } from './checks/provenance'
include { requestedMemory ; retryOrGiveUp } from './checks/tasks'

// The interactive report of one dataset, made as soon as the dataset has all its results. Emits no versions: it shows them.
process REPORT_DATASET {
    tag "${dataset}"
    label 'medium'
    memory { requestedMemory('REPORT_DATASET', files, task.attempt) }
    errorStrategy { retryOrGiveUp(task, [dataset: dataset]) }

    input:
    tuple val(dataset), path(files, stageAs: 'files/*'), path(failures)
    path presets, stageAs: 'presets/*'
    path parameters
    val code

    output:
    tuple val(dataset), path("results/${dataset}/report.html"), emit: html

    script:
    def inputs = [counts: '.counts.h5mu', latents: '.latents.h5mu', 'graph-stats': '.graph.csv'].collectMany { option, suffix ->
        files.findAll { path -> path.name.endsWith(suffix) }.collect { path -> "--${option} ${path}" }
    }
    """
    # code ${code}
    report_dataset.py --dataset '${dataset}' ${inputs.join(' ')} --files files \\
        --presets presets --failures ${failures} --params ${parameters} \\
        --run-record '${runRecord()}' --out 'results/${dataset}/report.html'
    """

    stub:
    """
    mkdir -p 'results/${dataset}'
    touch 'results/${dataset}/report.html'
    """
}
