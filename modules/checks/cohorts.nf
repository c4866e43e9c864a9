// Conditions and donors.

// Why the conditions of a dataset cannot be compared, '' where they can: of what goes along with each of its sections, two or more
// conditions, and at least one of them with two donors.
def cohortObstacle(carried) {
    def samples = carried.collect { section -> [section.condition, section.donor] }.unique()
    def conditions = samples.collect { condition, _donor -> condition }.unique()
    def lacking = ['condition', 'donor'].find { name -> carried.any { section -> !section[name] } }
    if (lacking) {
        return "not every section has a ${lacking}".toString()
    }
    if (conditions.size() == 1) {
        return "all sections have the condition '${conditions.first()}'".toString()
    }
    def donors = samples.collect { condition, donor -> "${condition}: ${donor}" }.join(', ')
    return samples.size() > conditions.size() ? '' : "every condition has only one donor (${donors}), and donors are the replicates".toString()
}
