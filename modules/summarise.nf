// Tables of the run: metrics, resources, and the index of all results. Emits no versions, as its tables need none.
process SUMMARISE {
    tag 'all datasets'
    label 'small'

    input:
    path records, stageAs: 'records?/*'
    path metrics, stageAs: 'metrics?/*'
    path alignments, stageAs: 'alignments?/*'
    path scores, stageAs: 'scores?/*'
    path differences, stageAs: 'differences?/*'
    path agreements, stageAs: 'agreements?/*'
    path planned
    path failures
    path notices
    path written
    val code

    output:
    path 'results/benchmark/metrics.csv', emit: metrics
    path 'results/benchmark/runs.csv', emit: runs
    path 'results/benchmark/leaderboard.csv', emit: leaderboard
    path 'results/benchmark/overall.csv', emit: overall
    path 'results/benchmark/differences.csv', emit: differences
    path 'results/benchmark/agreement.csv', emit: agreement
    path 'results/benchmark/alignment.csv', emit: alignment, optional: true
    path 'results/multiqc/*', emit: multiqc
    path 'results/index.csv', emit: index
    path 'results/notices.csv', emit: notices

    script:
    def tables = [record: records, metrics: metrics, alignment: alignments, scores: scores, differences: differences, agreement: agreements]
    def inputs = tables.collectMany { option, paths -> [paths].flatten().collect { path -> "--${option} ${path}" } }
    """
    # code ${code}
    summarise.py ${inputs.join(' ')} --planned ${planned} --failures ${failures} --notices ${notices} --written ${written} --out-dir results
    """

    stub:
    """
    mkdir -p results/benchmark results/multiqc
    touch results/benchmark/{metrics,runs,leaderboard,overall,differences,agreement}.csv results/index.csv results/notices.csv \\
        results/multiqc/spatialweave_{metrics,resources,notices}_mqc.tsv
    """
}
