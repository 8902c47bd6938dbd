#include "conf/import_toml.hpp"

#include "conf/value.hpp"

#include <algorithm>

namespace weir::conf {

std::string TomlWriter::put(const TomlKey& at, std::string_view text) {
    const auto all = sections();
    const auto info = std::find_if(all.begin(), all.end(), [&at](const SectionInfo& candidate) {
        return candidate.name == at.section;
    });
    const Setting* setting =
        info == all.end() ? nullptr : find_setting(info->section, std::string{at.key});
    if (setting == nullptr) {
        return "this version of Weir has no " + join_key(at.section, at.key);
    }
    const auto value = parse_value(*setting, text);
    if (!value.value) {
        return join_key(at.section, at.key) + " " + value.problem;
    }
    part(at.path).values[std::string{at.key}] = toml_value(*setting, *value.value);
    return {};
}

void TomlWriter::put_literal(const std::string& path,
                             std::string_view key,
                             const std::string& toml) {
    part(path).values[std::string{key}] = toml;
}

void TomlWriter::open(const std::string& path) {
    static_cast<void>(part(path));
}

void TomlWriter::comment(const std::string& path, const std::string& line) {
    part(path).comments.push_back(line);
}

bool TomlWriter::has(const std::string& path, std::string_view key) const {
    return !value(path, key).empty();
}

std::string TomlWriter::value(const std::string& path, std::string_view key) const {
    const auto part = parts_.find(path);
    if (part == parts_.end()) {
        return {};
    }
    const auto found = part->second.values.find(key);
    return found == part->second.values.end() ? std::string{} : found->second;
}

TomlWriter::Part& TomlWriter::part(const std::string& path) {
    const auto [place, is_new] = parts_.try_emplace(path);
    if (is_new) {
        order_.push_back(path);
    }
    return place->second;
}

std::string TomlWriter::text() const {
    std::string text;
    const auto add = [&](const std::string& path) {
        const Part& part = parts_.at(path);
        if (!path.empty()) {
            text += "\n[" + path + "]\n";
        }
        for (const std::string& line : part.comments) {
            text.append("# ").append(line).append("\n");
        }
        for (const auto& [key, value] : part.values) {
            text.append(key).append(" = ").append(value).append("\n");
        }
    };
    if (parts_.count("") != 0) {
        add("");  // keys without a section must stand first
    }
    for (const std::string& path : order_) {
        if (!path.empty()) {
            add(path);
        }
    }
    return text;
}

}  // namespace weir::conf
