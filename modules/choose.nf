include { retryOrGiveUp } from './checks/tasks'

// The number of domains of a dataset, from the criteria of all its runs. Emits no versions: SCAN's are the same.
process CHOOSE {
    tag "${meta.dataset}"
    label 'small'
    errorStrategy { retryOrGiveUp(task, meta) }

    input:
    tuple val(meta), path(criteria, stageAs: 'criteria/*'), path(partitions, stageAs: 'partitions/*')
    val code

    output:
    tuple val(meta), path('n_domains.json'), emit: choice
    tuple val(meta), path("results/${meta.dataset}/n_domains.csv"), emit: table
    tuple val("${task.process}"), val("${task.tag}"), eval('cat notices.txt 2> /dev/null || true'), topic: notices

    script:
    def inputs = ([criteria].flatten().collect { file -> "--criteria ${file}" } + [partitions].flatten().collect { file -> "--partitions ${file}" }).join(' ')
    """
    # code ${code}
    choose.py ${inputs} --out n_domains.json --table 'results/${meta.dataset}/n_domains.csv'
    """

    stub:
    """
    mkdir -p 'results/${meta.dataset}'
    touch 'results/${meta.dataset}/n_domains.csv'
    echo '{"number": 2}' > n_domains.json
    """
}
