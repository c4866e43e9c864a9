include { requestedMemory ; retryOrGiveUp ; trainingCpus } from './checks/tasks'

// New sections labelled by a saved model: embedding, domains, and how unlike the model's reference spots and sections are.
process MAP {
    tag "${meta.dataset}"
    label 'large'
    label 'gpu'
    cpus { trainingCpus(latents) }
    memory { requestedMemory('MAP', [latents, counts], task.attempt) }
    ext environment: '', gpu: 1, nodes: 1
    errorStrategy { retryOrGiveUp(task, meta) }

    input:
    tuple val(meta), path(latents), path(counts), path(graph)
    path model
    val device
    val code

    output:
    tuple val(meta), path("results/${meta.dataset}/embeddings/${meta.method}/${meta.id}.h5ad"), emit: embedding
    tuple val(meta), path("results/${meta.dataset}/domains/${meta.method}/${meta.id}.domains.csv"), emit: domains
    tuple val(meta), path("${meta.id}.clustering.json"), emit: summary
    tuple val(meta), path("${meta.id}.training.json"), emit: record
    tuple val(meta), path("results/${meta.dataset}/reference/*.csv"), emit: tables
    stdout emit: lines
    tuple val("${task.process}"), eval('software_versions.py numpy safetensors scipy torch torch-geometric'), topic: versions
    tuple val("${task.process}"), val("${task.tag}"), eval('cat notices.txt 2> /dev/null || true'), topic: notices

    script:
    """
    # code ${code}
    map.py --model ${model} --latents ${latents} --counts ${counts} --graph ${graph} --device ${device} --threads ${task.cpus} \\
        --out 'results/${meta.dataset}/embeddings/${meta.method}/${meta.id}.h5ad' \\
        --domains 'results/${meta.dataset}/domains/${meta.method}/${meta.id}.domains.csv' \\
        --summary '${meta.id}.clustering.json' --record '${meta.id}.training.json' \\
        --tables 'results/${meta.dataset}/reference' --run '${meta.id}'
    """

    stub:
    """
    mkdir -p 'results/${meta.dataset}'/{embeddings,domains}/'${meta.method}' 'results/${meta.dataset}/reference'
    touch 'results/${meta.dataset}/embeddings/${meta.method}/${meta.id}.h5ad' 'results/${meta.dataset}/reference/likeness.csv' \\
        'results/${meta.dataset}/domains/${meta.method}/${meta.id}.domains.csv' '${meta.id}'.{clustering,training}.json
    """
}

// The saved model, refused before the first computation where it cannot be used.
process CHECK_MODEL {
    label 'small'

    input:
    path model
    val code

    output:
    val true, emit: fine

    script:
    """
    # code ${code}
    map.py --check --model ${model}
    """

    stub:
    """
    true
    """
}
