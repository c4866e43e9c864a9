// Where tasks run, by the configuration.

// The executor of tasks for which no other is selected, by the settings of processes and executors, e.g. 'slurm' of
// [process: [executor: 'slurm', 'withLabel:gpu': [queue: 'gpu']]].
def executorOf(config) {
    def scope = config.executor instanceof Map ? config.executor.name : config.executor
    return config.process?.executor ?: scope ?: System.getenv('NXF_EXECUTOR') ?: 'local'
}

// Whether all tasks run on this machine.
def isLocal(config) {
    def selected = (config.process ?: [:]).values().findAll { value -> value instanceof Map && value.executor }.collect { value -> value.executor }
    return ([executorOf(config)] + selected).every { executor -> executor == 'local' }
}
