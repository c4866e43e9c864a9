include { requestedMemory ; retryOrGiveUp } from './checks/tasks'

// Spatial domains: clusters of an embedding, the same way for every method. The embedding is published with its domains.
process CLUSTER {
    tag "${meta.dataset}, ${meta.method}, seed ${meta.seed}"
    label 'medium'
    memory { requestedMemory('CLUSTER', [embedding, graph], task.attempt) }
    errorStrategy { retryOrGiveUp(task, meta) }

    input:
    tuple val(meta), path(embedding), path(graph), val(n_domains)
    val clustering
    val refine
    val code

    output:
    tuple val(meta), path("results/${meta.dataset}/domains/${meta.method}/${meta.id}.domains.csv"), emit: domains
    tuple val(meta), path("results/${meta.dataset}/embeddings/${meta.method}/${meta.id}.h5ad"), emit: embedding
    tuple val(meta), path("${meta.id}.clustering.json"), emit: summary
    tuple val("${task.process}"), eval('software_versions.py igraph scikit-learn'), topic: versions
    tuple val("${task.process}"), val("${task.tag}"), eval('cat notices.txt 2> /dev/null || true'), topic: notices

    script:
    """
    # code ${code}
    cluster.py --embedding ${embedding} --graph ${graph} --clustering ${clustering} \\
        --n-domains ${n_domains} --refine ${refine} --seed ${meta.seed} \\
        --out 'results/${meta.dataset}/domains/${meta.method}/${meta.id}.domains.csv' \\
        --with-domains 'results/${meta.dataset}/embeddings/${meta.method}/${meta.id}.h5ad' \\
        --summary '${meta.id}.clustering.json'
    """

    stub:
    """
    mkdir -p 'results/${meta.dataset}'/{domains,embeddings}/'${meta.method}'
    touch 'results/${meta.dataset}/domains/${meta.method}/${meta.id}.domains.csv' \\
        'results/${meta.dataset}/embeddings/${meta.method}/${meta.id}.h5ad' \\
        '${meta.id}.clustering.json'
    """
}
