// The number of domains: given, or chosen from a range.

include { refuseParameters } from './refusals'

// The number of --n_domains; null where it is absent or a range.
def givenNumber(options) {
    def text = (options.n_domains ?: '').toString()
    return text.isInteger() ? text.toInteger() : null
}

// The smallest and largest number to choose from, e.g. [4, 9] of --n_domains 4..9; by default from 3 (domains/number.py says why).
def numberRange(options) {
    def ends = (options.n_domains ?: '').toString().tokenize('.')*.toInteger()
    if (ends.size() < 2) {
        return [Math.min(3, options.max_domains), options.max_domains]
    }
    if (ends[0] >= ends[1]) {
        refuseParameters(["--n_domains: '${options.n_domains}' does not rise; give the smaller number first, e.g. 4..9"])
    }
    return ends
}

// The number in the file of a choice.
def chosenNumber(file) {
    return new groovy.json.JsonSlurper().parseText(file.text).number
}
