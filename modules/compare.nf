include { requestedMemory ; retryOrGiveUp } from './checks/tasks'

// Intervals of all methods' scores on a dataset, differences between methods, agreement between runs.
process COMPARE {
    tag "${dataset}"
    label 'medium'
    memory { requestedMemory('COMPARE', files, task.attempt) }
    errorStrategy { retryOrGiveUp(task, [dataset: dataset]) }

    input:
    tuple val(dataset), path(files, stageAs: 'files/*')
    val code

    output:
    tuple val(dataset), path("${dataset}.scores.csv"), emit: scores
    tuple val(dataset), path("${dataset}.differences.csv"), emit: differences
    tuple val(dataset), path("${dataset}.agreement.csv"), emit: agreement
    tuple val("${task.process}"), eval('software_versions.py scikit-learn scipy'), topic: versions
    tuple val("${task.process}"), val("${task.tag}"), eval('cat notices.txt 2> /dev/null || true'), topic: notices

    script:
    def inputs = [domains: '.domains.csv', metrics: '.metrics.csv', latents: '.latents.h5mu'].collectMany { option, suffix ->
        [files].flatten().findAll { path -> path.name.endsWith(suffix) }.collect { path -> "--${option} ${path}" }
    }
    """
    # code ${code}
    compare.py ${inputs.join(' ')} --scores '${dataset}.scores.csv' --differences '${dataset}.differences.csv' \\
        --agreement '${dataset}.agreement.csv'
    """

    stub:
    """
    touch '${dataset}.scores.csv' '${dataset}.differences.csv' '${dataset}.agreement.csv'
    """
}
