// The interactive report of one dataset. Emits no versions: it shows those of all other processes.
process REPORT_DATASET {
    tag "${dataset}"
    label 'medium'

    input:
    tuple val(dataset), path(files, stageAs: 'files/*')
    path presets, stageAs: 'presets/*'
    path failures
    path parameters
    path versions
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
        --presets presets --failures ${failures} --params ${parameters} --versions ${versions} --out 'results/${dataset}/report.html'
    """

    stub:
    """
    mkdir -p 'results/${dataset}'
    touch 'results/${dataset}/report.html'
    """
}
