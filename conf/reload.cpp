#include "conf/reload.hpp"

#include "conf/leaves.hpp"

#include <map>

namespace weir::conf {

namespace {

using BranchesByPath = std::map<std::string, Branch>;

BranchesByPath by_path(const Config& config) {
    BranchesByPath result;
    for (Branch& branch : branches(config)) {
        std::string path = branch.path;
        result.emplace(std::move(path), std::move(branch));
    }
    return result;
}

void compare_leaves(ReloadPlan& plan, const Branch& running, const Branch& wanted) {
    std::map<const Setting*, const Value*> before;
    for (const Leaf& leaf : running.leaves) {
        before.emplace(leaf.setting, &leaf.value);
    }
    const auto report = [&](const Setting& setting) {
        auto& list = setting.effect == Effect::Reload ? plan.changed : plan.needs_restart;
        list.push_back(join_key(wanted.path, setting.key));
    };
    for (const Leaf& leaf : wanted.leaves) {
        const auto found = before.find(leaf.setting);
        if (found == before.end() || *found->second != leaf.value) {
            report(*leaf.setting);
        }
        before.erase(leaf.setting);
    }
    for (const auto& [setting, value] : before) {
        report(*setting);
    }
}

}  // namespace

ReloadPlan compare(const Config& running, const Config& wanted) {
    ReloadPlan plan;
    BranchesByPath before = by_path(running);
    for (const auto& [path, branch] : by_path(wanted)) {
        const auto found = before.find(path);
        if (found == before.end()) {
            plan.changed.push_back(path + " (added)");
        } else {
            compare_leaves(plan, found->second, branch);
            before.erase(found);
        }
    }
    for (const auto& [path, branch] : before) {
        plan.changed.push_back(path + " (removed)");
    }
    return plan;
}

}  // namespace weir::conf
