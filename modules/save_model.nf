include { requestedMemory ; retryOrGiveUp } from './checks/tasks'

// A trained run as a folder that labels new sections: preprocessing, network, domains, and how its own spots vary.
process SAVE_MODEL {
    tag "${meta.dataset}, ${meta.method}, seed ${meta.seed}"
    label 'medium'
    memory { requestedMemory('SAVE_MODEL', [latents, counts], task.attempt) }
    errorStrategy { retryOrGiveUp(task, meta) }

    input:
    tuple val(meta), path(method_file), path(latents), path(graph), path(embedding), path(state), path(domains), path(clustering), path(counts), path(names)
    val code

    output:
    tuple val(meta), path("results/${meta.dataset}/models/${meta.id}"), emit: model
    tuple val("${task.process}"), eval('software_versions.py numpy safetensors scipy scikit-learn'), topic: versions
    tuple val("${task.process}"), val("${task.tag}"), eval('cat notices.txt 2> /dev/null || true'), topic: notices

    script:
    """
    # code ${code}
    save_model.py --latents ${latents} --counts ${counts} --graph ${graph} --embedding ${embedding} --state ${state} \\
        --domains ${domains} --clustering ${clustering} ${names ? "--names ${names}" : ''} --method ${method_file} \\
        --out 'results/${meta.dataset}/models/${meta.id}'
    """

    stub:
    """
    mkdir -p 'results/${meta.dataset}/models/${meta.id}'
    touch 'results/${meta.dataset}/models/${meta.id}'/model.{json,safetensors}
    """
}
