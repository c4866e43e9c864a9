include { requestedMemory ; retryOrGiveUp } from './checks/tasks'

// What a transform may include besides rotation and shift, as options of bin/align.py, e.g. '--align-reflection --align-scale'
def alignOptions(options) {
    return ((options.align_reflection ? ['--align-reflection'] : []) + (options.align_scale ? ['--align-scale'] : [])).join(' ')
}

// The transform from the coordinates of one section to those of the section before it in the stack.
process ALIGN {
    tag "${meta.dataset}, ${meta.moving} onto ${meta.fixed}"
    label 'medium'
    memory { requestedMemory('ALIGN', latents, task.attempt) }
    errorStrategy { retryOrGiveUp(task, meta) }

    input:
    tuple val(meta), path(latents)
    val align_by
    val freedom
    val code

    output:
    tuple val(meta), path("${meta.fixed}--${meta.moving}.transform.json"), emit: transform
    tuple val("${task.process}"), eval('software_versions.py numpy pot scipy'), topic: versions
    tuple val("${task.process}"), val("${task.tag}"), eval('cat notices.txt 2> /dev/null || true'), topic: notices

    script:
    """
    # code ${code}
    align.py --latents ${latents} --fixed '${meta.fixed}' --moving '${meta.moving}' --align-by ${align_by} ${freedom} \\
        --out '${meta.fixed}--${meta.moving}.transform.json'
    """

    stub:
    """
    touch '${meta.fixed}--${meta.moving}.transform.json'
    """
}
