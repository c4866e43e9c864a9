include { requestedMemory ; retryOrGiveUp } from './checks/tasks'

// The consensus of the domains that the runs of a dataset found, with its confidence at every spot. It goes on as one more run.
process WEAVE {
    tag "${meta.dataset}"
    label 'medium'
    memory { requestedMemory('WEAVE', [domains, latents], task.attempt) }
    errorStrategy { retryOrGiveUp(task, meta) }

    input:
    tuple val(meta), path(domains, stageAs: 'runs/*'), path(latents), val(n_domains)
    val code

    output:
    tuple val(meta), path("results/${meta.dataset}/domains/${meta.method}/${meta.id}.domains.csv"), emit: domains
    tuple val(meta), path("results/${meta.dataset}/embeddings/${meta.method}/${meta.id}.h5ad"), emit: embedding
    tuple val(meta), path("${meta.id}.training.json"), emit: record
    tuple val("${task.process}"), eval('software_versions.py scikit-learn scipy'), topic: versions
    tuple val("${task.process}"), val("${task.tag}"), eval('cat notices.txt 2> /dev/null || true'), topic: notices

    script:
    def runs = [domains].flatten().collect { file -> "--domains ${file}" }.join(' ')
    """
    # code ${code}
    weave.py ${runs} --latents ${latents} --n-domains ${n_domains} --seed ${meta.seed} \\
        --out 'results/${meta.dataset}/domains/${meta.method}/${meta.id}.domains.csv' \\
        --embedding 'results/${meta.dataset}/embeddings/${meta.method}/${meta.id}.h5ad' --record '${meta.id}.training.json'
    """

    stub:
    """
    mkdir -p 'results/${meta.dataset}/domains/${meta.method}' 'results/${meta.dataset}/embeddings/${meta.method}'
    touch 'results/${meta.dataset}/domains/${meta.method}/${meta.id}.domains.csv' \\
        'results/${meta.dataset}/embeddings/${meta.method}/${meta.id}.h5ad' '${meta.id}.training.json'
    """
}
