#include "conf/reference.hpp"

#include "conf/leaves.hpp"
#include "conf/value.hpp"

#include <fmt/format.h>

namespace weir::conf {

namespace {

constexpr std::size_t kCommentColumns = 100;

/// @return the text as comment lines
std::string comment(std::string_view text) {
    std::string result;
    std::string line = "#";
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(' '), text.size());
        if (line.size() + 1 + end > kCommentColumns) {
            result += line + "\n";
            line = "#";
        }
        line.append(" ").append(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return result + line + "\n";
}

/// @return what the schema says the key is worth when nobody writes it, as TOML
std::string default_toml(const Setting& setting, Profile profile) {
    const std::string_view text = default_text(setting, profile);
    // "auto" would be resolved to this machine's cores.
    return setting.kind == Kind::Threads ? toml_string(text)
                                         : toml_value(setting, *parse_value(setting, text).value);
}

std::string default_shown(const Setting& setting, Profile profile) {
    const std::string_view text = default_text(setting, profile);
    return setting.kind == Kind::Threads ? std::string{text}
                                         : format_value(setting, *parse_value(setting, text).value);
}

/// @return whether the shipped file has it in comments: a rule there would be one in force
bool is_example(Section section) {
    return section_info(section).form == Form::Listed;
}

/// The example names of the shipped file.
std::string example_header(const SectionInfo& info) {
    switch (info.section) {
        case Section::Top: return {};
        case Section::Cluster: return "[cluster.main]\n";
        case Section::Database: return "[database.shop]\n";
        case Section::User: return "[user.app]\n";
        case Section::RuleMatch:
        case Section::RuleSet: return fmt::format("# [{}]\n", info.name);
        default:
            return is_example(info.section) ? fmt::format("# [[{}]]\n", info.name)
                                            : fmt::format("[{}]\n", info.name);
    }
}

std::string default_line(const Setting& setting) {
    const std::string value = setting.sample.empty() ? default_toml(setting, Profile::Production)
                                                     : std::string{setting.sample};
    // Written out, they would hold against any profile.
    const bool is_preset = is_preset_by_profile(setting);
    const bool is_sample =
        is_example(setting.section) ||
        (section_info(setting.section).form == Form::Single && !setting.sample.empty());
    return fmt::format("{}{} = {}{}\n",
                       is_preset || is_sample ? "# " : "",
                       setting.key,
                       value,
                       is_preset ? "  # from the profile; this is production's" : "");
}

}  // namespace

std::vector<SettingRow> rows(const Config& config) {
    std::vector<SettingRow> all;
    for (const Branch& branch : branches(config)) {
        for (const Leaf& leaf : branch.leaves) {
            if (!branch.is_generated) {
                all.push_back({leaf.key(),
                               leaf.shown(),
                               default_shown(*leaf.setting, config.profile),
                               leaf.setting->effect == Effect::Reload});
            }
        }
    }
    return all;
}

std::string defaults_toml() {
    std::string text =
        "# weir.toml: every setting with its default. The sections main, shop and app are "
        "examples.\n"
        "#\n"
        "# Durations and sizes carry a unit (\"250ms\", \"64KiB\"); \"0s\" or 0 switches a limit "
        "off. ${NAME} and\n"
        "# ${NAME:-default} are replaced from the environment ($${ is a literal ${), and a "
        "password may be file:PATH.\n"
        "# Unknown keys are errors. [reload]: a change takes effect on reload; others need a "
        "restart.\n"
        "# Generated from the schema, as docs/config.md is.\n";
    for (const SectionInfo& info : sections()) {
        text += "\n";
        if (info.section != Section::Top) {
            text += comment(info.doc) + example_header(info);
        }
        for (const Setting& setting : settings()) {
            if (setting.section == info.section) {
                text += comment(std::string{setting.doc} +
                                (setting.effect == Effect::Reload ? " [reload]" : ""));
                text += default_line(setting);
            }
        }
    }
    return text;
}

std::string config_toml(const Config& config) {
    std::string text;
    for (const Branch& branch : branches(config)) {
        if (branch.is_generated) {
            continue;
        }
        text += (text.empty() ? "" : "\n") + branch.header();
        for (const Leaf& leaf : branch.leaves) {
            const bool is_secret = leaf.setting->secrecy == Secrecy::Secret;
            text += fmt::format(
                "{} = {}\n",
                leaf.setting->key,
                is_secret ? toml_string(leaf.shown()) : toml_value(*leaf.setting, leaf.value));
        }
    }
    return text;
}

}  // namespace weir::conf
