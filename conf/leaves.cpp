#include "conf/leaves.hpp"

#include "conf/value.hpp"

namespace weir::conf {

namespace {

Branch branch_of(Section section, std::string path, const void* object) {
    Branch branch{section, std::move(path), {}};
    for (const Setting& setting : settings()) {
        if (setting.section == section) {
            branch.leaves.push_back({branch.path, &setting, *setting.field.read(object)});
        }
    }
    return branch;
}

/// Appends [path.pool] or [path.policy] when anything is written there.
/// @param overrides that section's
void add_overrides(std::vector<Branch>& all,
                   const std::string& path,
                   Section section,
                   const void* overrides) {
    Branch branch{section, join_key(path, section_info(section).name), {}};
    for (const Setting& setting : settings()) {
        if (setting.section == section) {
            if (auto value = setting.override_field.read(overrides)) {
                branch.leaves.push_back({branch.path, &setting, *std::move(value)});
            }
        }
    }
    if (!branch.leaves.empty()) {
        all.push_back(std::move(branch));
    }
}

}  // namespace

std::string Leaf::shown() const {
    const std::string text = format_value(*setting, value);
    return setting->secrecy == Secrecy::Secret && !text.empty() ? std::string{kMask} : text;
}

std::vector<Branch> branches(const Config& config) {
    std::vector<Branch> all;
    for (const SectionInfo& info : sections()) {
        if (!info.is_named) {
            all.push_back(branch_of(
                info.section, std::string{info.name}, section_object(config, info.section)));
        }
        if (info.section == Section::Cluster) {
            for (const auto& [name, cluster] : config.clusters) {
                all.push_back(branch_of(info.section, join_key(info.name, name), &cluster));
            }
        }
        if (info.section == Section::Database) {
            for (const auto& [name, database] : config.databases) {
                all.push_back(branch_of(info.section, join_key(info.name, name), &database));
                add_overrides(all, join_key(info.name, name), Section::Pool, &database.pool);
                add_overrides(all, join_key(info.name, name), Section::Policy, &database.policy);
            }
        }
        if (info.section == Section::User) {
            for (const auto& [name, user] : config.users) {
                all.push_back(branch_of(info.section, join_key(info.name, name), &user));
                all.back().is_generated = user.is_from_users_file;
                add_overrides(all, join_key(info.name, name), Section::Pool, &user.pool);
                add_overrides(all, join_key(info.name, name), Section::Policy, &user.policy);
            }
        }
    }
    return all;
}

}  // namespace weir::conf
