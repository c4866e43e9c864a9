// The report of the run: comparison of the methods, failures, resources, methods text.
process REPORT_RUN {
    tag 'all datasets'
    label 'small'

    input:
    path metrics
    path runs
    path notices
    path presets, stageAs: 'presets/*'
    path failures
    path parameters
    path versions
    val code

    output:
    path 'results/report.html', emit: html
    path 'results/pipeline_info/*', emit: info

    script:
    """
    # code ${code}
    report_run.py --metrics ${metrics} --runs ${runs} --notices ${notices} --presets presets --failures ${failures} --params ${parameters} \\
        --versions ${versions} --out results/report.html
    mkdir -p results/pipeline_info
    cp ${parameters} ${versions} results/pipeline_info/
    """

    stub:
    """
    mkdir -p results/pipeline_info
    touch results/report.html
    cp ${parameters} ${versions} results/pipeline_info/
    """
}
