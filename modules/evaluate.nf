include { requestedMemory ; retryOrGiveUp } from './checks/tasks'

// Metrics of an embedding and its domains, with labels (where there are any) and without.
process EVALUATE {
    tag "${meta.dataset}, ${meta.method}, seed ${meta.seed}"
    label 'medium'
    memory { requestedMemory('EVALUATE', [embedding, domains, latents, graph], task.attempt) }
    errorStrategy { retryOrGiveUp(task, meta) }

    input:
    tuple val(meta), path(embedding), path(domains), path(latents), path(graph), path(coordinates)
    val clustering
    val code

    output:
    tuple val(meta), path("${meta.id}.metrics.csv"), emit: metrics
    tuple val("${task.process}"), eval('software_versions.py scikit-learn scipy'), topic: versions
    tuple val("${task.process}"), val("${task.tag}"), eval('cat notices.txt 2> /dev/null || true'), topic: notices

    script:
    def aligned = coordinates ? "--coordinates ${coordinates}" : ''
    """
    # code ${code}
    evaluate.py --embedding ${embedding} --domains ${domains} --latents ${latents} --graph ${graph} ${aligned} \\
        --clustering ${clustering} --out '${meta.id}.metrics.csv'
    """

    stub:
    """
    touch '${meta.id}.metrics.csv'
    """
}
