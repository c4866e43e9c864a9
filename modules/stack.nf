include { retryOrGiveUp } from './checks/tasks'

// Aligned coordinates: those of all sections of a dataset in the coordinate system of the first.
process STACK {
    tag "${meta.dataset}"
    label 'small'
    errorStrategy { retryOrGiveUp(task, meta) }

    input:
    tuple val(meta), path(latents), path(transforms)
    val code

    output:
    tuple val(meta), path("results/${meta.dataset}/alignment/coordinates.csv"), emit: coordinates
    tuple val(meta), path("results/${meta.dataset}/alignment/transforms.csv"), emit: transforms
    tuple val("${task.process}"), eval('software_versions.py numpy scipy'), topic: versions
    tuple val("${task.process}"), val("${task.tag}"), eval('cat notices.txt 2> /dev/null || true'), topic: notices

    script:
    def given = [transforms].flatten().collect { transform -> "--transform ${transform}" }.join(' ')
    """
    # code ${code}
    stack.py --latents ${latents} ${given} --out-dir 'results/${meta.dataset}/alignment'
    """

    stub:
    """
    mkdir -p 'results/${meta.dataset}/alignment'
    touch 'results/${meta.dataset}/alignment/'{coordinates,transforms}.csv
    """
}
