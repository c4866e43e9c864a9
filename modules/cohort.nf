include { runRecord } from './checks/provenance'
include { requestedMemory ; retryOrGiveUp } from './checks/tasks'

// What differs between the conditions of a dataset, with donors as replicates.
process COHORT {
    tag "${meta.dataset}"
    label 'medium'
    memory { requestedMemory('COHORT', files, task.attempt) }
    errorStrategy { retryOrGiveUp(task, meta) }

    input:
    tuple val(meta), path(files, stageAs: 'files/*')
    val reference
    val code

    output:
    tuple val(meta), path("results/${meta.dataset}/cohort/*"), emit: tables
    stdout emit: line
    tuple val("${task.process}"), eval('software_versions.py pydeseq2 statsmodels scipy scikit-learn'), topic: versions
    tuple val("${task.process}"), val("${task.tag}"), eval('cat notices.txt 2> /dev/null || true'), topic: notices

    script:
    def given = reference ? "--reference '${reference}'" : ''
    """
    # code ${code}
    cohort.py --files files ${given} --run-record '${runRecord()}' --out-dir 'results/${meta.dataset}/cohort'
    """

    stub:
    """
    mkdir -p 'results/${meta.dataset}/cohort'
    touch results/${meta.dataset}/cohort/{samples,abundance,neighbourhoods,expression}.csv results/${meta.dataset}/cohort/cohort.html
    """
}
