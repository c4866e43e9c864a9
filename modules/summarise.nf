// Tables of the run: metrics, resources, and the index of all results. Emits no versions, as its tables need none.
process SUMMARISE {
    tag 'all datasets'
    label 'small'

    input:
    path records, stageAs: 'records?/*'
    path metrics, stageAs: 'metrics?/*'
    path alignments, stageAs: 'alignments?/*'
    path planned
    path failures
    path notices
    val code

    output:
    path 'results/benchmark/metrics.csv', emit: metrics
    path 'results/benchmark/runs.csv', emit: runs
    path 'results/benchmark/alignment.csv', emit: alignment, optional: true
    path 'results/index.csv', emit: index
    path 'results/notices.csv', emit: notices

    script:
    def inputs = [record: records, metrics: metrics, alignment: alignments].collectMany { option, paths -> [paths].flatten().collect { path -> "--${option} ${path}" } }
    """
    # code ${code}
    summarise.py ${inputs.join(' ')} --planned ${planned} --failures ${failures} --notices ${notices} --out-dir results
    """

    stub:
    """
    mkdir -p results/benchmark
    touch results/benchmark/metrics.csv results/benchmark/runs.csv results/index.csv results/notices.csv
    """
}
