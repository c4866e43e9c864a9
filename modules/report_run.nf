include { runRecord } from './checks/provenance'

// The report of the run: comparison of the methods, failures, resources, methods text.
process REPORT_RUN {
    tag 'all datasets'
    label 'small'

    input:
    path metrics
    path runs
    path leaderboard
    path overall
    path agreement
    path notices
    path presets, stageAs: 'presets/*'
    path failures
    path left_out
    path parameters
    path versions
    val code

    output:
    path 'results/report.html', emit: html
    path 'results/pipeline_info/*', emit: info

    script:
    """
    # code ${code}
    report_run.py --metrics ${metrics} --runs ${runs} --leaderboard ${leaderboard} --overall ${overall} \\
        --agreement ${agreement} --notices ${notices} --presets presets --failures ${failures} --left-out ${left_out} \\
        --params ${parameters} --versions ${versions} --run-record '${runRecord()}' --out results/report.html
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
