// One task like TRAIN, which leaves what it was given in its folder. Attempts up to --failures end with exit code 137.
params.failures = 0
params.environment = ''
params.gpu = true
params.nodes = 1

process TRAIN {
    label 'large'
    label 'gpu'
    cpus 2
    memory { 4.GB * 4 ** (task.attempt - 1) }
    ext environment: { method.environment }, gpu: { method.gpu ? 1 : 0 }, nodes: { method.nodes }

    input:
    val failures
    val method

    output:
    path 'given.txt'

    script:
    """
    printf '%s\\n' 'cpus=${task.cpus}' 'memory=${task.memory}' 'time=${task.time}' > given.txt
    env >> given.txt
    [ ${task.attempt} -gt ${failures} ] || exit 137
    """
}

workflow {
    TRAIN(params.failures, [environment: params.environment, gpu: params.gpu, nodes: params.nodes])
}
