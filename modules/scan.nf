include { requestedMemory ; retryOrGiveUp } from './checks/tasks'

// How well each number of domains fits an embedding, for datasets whose number of domains is not given.
process SCAN {
    tag "${meta.dataset}, ${meta.method}, seed ${meta.seed}"
    label 'medium'
    memory { requestedMemory('SCAN', embedding, task.attempt) }
    errorStrategy { retryOrGiveUp(task, meta) }

    input:
    tuple val(meta), path(embedding)
    tuple val(least), val(most)
    val code

    output:
    tuple val(meta), path("${meta.id}.n_domains.csv"), path("${meta.id}.partitions.csv"), emit: criteria
    tuple val("${task.process}"), eval('software_versions.py scikit-learn'), topic: versions
    tuple val("${task.process}"), val("${task.tag}"), eval('cat notices.txt 2> /dev/null || true'), topic: notices

    script:
    """
    # code ${code}
    scan.py --embedding ${embedding} --min-domains ${least} --max-domains ${most} --seed ${meta.seed} --out '${meta.id}.n_domains.csv' --partitions '${meta.id}.partitions.csv'
    """

    stub:
    """
    touch '${meta.id}'.{n_domains,partitions}.csv
    """
}
