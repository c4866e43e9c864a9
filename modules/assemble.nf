// Everything of one dataset in one file: counts, latents, all embeddings and all domains.
process ASSEMBLE {
    tag "${dataset}"
    label 'medium'

    input:
    tuple val(dataset), path(files, stageAs: 'files/*')
    val code

    output:
    tuple val(dataset), path("results/${dataset}/integrated.h5mu"), emit: integrated
    tuple val("${task.process}"), eval('software_versions.py anndata mudata'), topic: versions

    script:
    """
    # code ${code}
    assemble.py --files files --out 'results/${dataset}/integrated.h5mu'
    """

    stub:
    """
    mkdir -p 'results/${dataset}'
    touch 'results/${dataset}/integrated.h5mu'
    """
}
