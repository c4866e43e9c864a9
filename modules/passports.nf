include { requestedMemory ; retryOrGiveUp } from './checks/tasks'

// A slide per domain: where it is, how sure, what marks it, and which methods see it.
process PASSPORTS {
    tag "${meta.dataset}"
    label 'medium'
    memory { requestedMemory('PASSPORTS', files, task.attempt) }
    errorStrategy { retryOrGiveUp(task, meta) }

    input:
    tuple val(meta), path(files, stageAs: 'files/*')
    path presets, stageAs: 'presets/*'
    val formats
    val code

    output:
    // Files, not folders: some ways of publishing take no folders.
    tuple val(meta), path("results/${meta.dataset}/passports/**", type: 'file'), emit: slides
    tuple val("${task.process}"), eval('software_versions.py matplotlib'), topic: versions

    script:
    def latents = files.find { path -> path.name.endsWith('.latents.h5mu') }
    def counts = files.find { path -> path.name.endsWith('.counts.h5mu') }
    """
    # code ${code}
    passports.py --dataset '${meta.dataset}' --latents ${latents} ${counts ? "--counts ${counts}" : ''} --files files \\
        --presets presets ${formats.collect { format -> "--format ${format}" }.join(' ')} --out-dir 'results/${meta.dataset}/passports'
    """

    stub:
    """
    mkdir -p 'results/${meta.dataset}/passports/smart.seed1'
    touch results/${meta.dataset}/passports/smart.seed1/domain_1.${formats.first()}
    """
}
