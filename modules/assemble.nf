include { requestedMemory ; retryOrGiveUp } from './checks/tasks'

// Everything of one dataset in one file: counts, latents, all embeddings and all domains. Emits no versions: it holds those of all
// other processes.
process ASSEMBLE {
    tag "${dataset}"
    label 'medium'
    memory { requestedMemory('ASSEMBLE', files, task.attempt) }
    errorStrategy { retryOrGiveUp(task, [dataset: dataset]) }

    input:
    tuple val(dataset), path(files, stageAs: 'files/*')
    path parameters
    path versions
    val code

    output:
    tuple val(dataset), path("results/${dataset}/integrated.h5mu"), emit: integrated

    script:
    """
    # code ${code}
    assemble.py --files files --params ${parameters} --versions ${versions} --out 'results/${dataset}/integrated.h5mu'
    """

    stub:
    """
    mkdir -p 'results/${dataset}'
    touch 'results/${dataset}/integrated.h5mu'
    """
}
