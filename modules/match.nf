include { requestedMemory ; retryOrGiveUp } from './checks/tasks'

// Matched spots of consecutive sections, by an embedding and the aligned coordinates, and metrics of the matches.
process MATCH {
    tag "${meta.dataset}, ${meta.method}, seed ${meta.seed}"
    label 'medium'
    memory { requestedMemory('MATCH', [embedding, latents], task.attempt) }
    errorStrategy { retryOrGiveUp(task, meta) }

    input:
    tuple val(meta), path(embedding), path(latents), path(coordinates)
    val radius
    val percentile
    val code

    output:
    tuple val(meta), path("results/${meta.dataset}/alignment/${meta.method}/*.pairs.csv"), emit: pairs
    path "results/${meta.dataset}/alignment/${meta.method}/*.spots.csv", emit: spots
    tuple val(meta), path("results/${meta.dataset}/alignment/${meta.method}/${meta.id}.alignment.csv"), emit: quality
    tuple val("${task.process}"), eval('software_versions.py numpy scipy'), topic: versions
    tuple val("${task.process}"), val("${task.tag}"), eval('cat notices.txt 2> /dev/null || true'), topic: notices

    script:
    // Without a value, the method's own.
    def rules = (radius ? "--match-radius ${radius} " : '') + (percentile ? "--match-percentile ${percentile} " : '')
    """
    # code ${code}
    match.py --embedding ${embedding} --latents ${latents} --coordinates ${coordinates} \\
        ${rules}--prefix '${meta.id}' \\
        --out-dir 'results/${meta.dataset}/alignment/${meta.method}'
    """

    stub:
    def pair = meta.stack.take(2).join('--')
    """
    mkdir -p 'results/${meta.dataset}/alignment/${meta.method}'
    touch 'results/${meta.dataset}/alignment/${meta.method}/${meta.id}'{.${pair}.pairs,.${pair}.spots,.alignment}.csv
    """
}
