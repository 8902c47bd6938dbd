#include "conf/draft.hpp"
#include "conf/value.hpp"

#include <re2/re2.h>

/// Whether what a rule looks for can be looked for, and whether it says anything.
namespace weir::conf {

namespace {

void check_regex(Draft& draft, const std::string& path, const std::string& regex) {
    RE2::Options options;
    options.set_log_errors(false);
    const RE2 compiled{regex, options};
    if (!compiled.ok()) {
        draft.complain(path + ".regex",
                       toml_string(regex) + " is no regular expression (" + compiled.error() +
                           "); accepted: RE2's syntax, or \"\"");
    }
}

void check_digest(Draft& draft, const std::string& path, const std::string& digest) {
    constexpr std::size_t kDigits = 16;
    const bool is_digest = digest.size() == kDigits &&
                           digest.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
    if (!digest.empty() && !is_digest) {
        draft.complain(path + ".digest",
                       toml_string(digest) +
                           " is no digest; accepted: 16 hexadecimal digits, as EXPLAIN POLICY "
                           "tells them, or \"\"");
    }
}

}  // namespace

void check_rules(Draft& draft) {
    for (std::size_t i = 0; i < draft.config.rules.size(); ++i) {
        const RuleSettings& rule = draft.config.rules[i];
        const std::string path = rule_path(i);
        check_digest(draft, path + ".match", rule.match.digest);
        check_regex(draft, path + ".match", rule.match.regex);
        const std::string set_path = path + ".set";
        const bool is_broken =
            draft.broken.lower_bound(path + ".") != draft.broken.lower_bound(path + "/");
        if (rule.set == RuleSet{} && !is_broken) {
            draft.complain(path, "sets nothing; accepted: set with at least one key");
        }
    }
}

}  // namespace weir::conf
