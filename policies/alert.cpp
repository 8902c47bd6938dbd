#include "policies/alert.hpp"

#include <algorithm>
#include <cmath>

namespace weir::policies {

AlertChange Alert::update(std::span<const AlertReading> readings, TimePoint now) {
    for (const AlertReading& reading : readings) {
        note(reading, now);
    }
    forget(now);
    const bool was_firing = state_ == AlertState::Firing;
    settle();
    choose_object(readings);
    const bool is_firing = state_ == AlertState::Firing;
    if (was_firing == is_firing) {
        return AlertChange::None;
    }
    return is_firing ? AlertChange::Fired : AlertChange::Resolved;
}

void Alert::note(const AlertReading& reading, TimePoint now) {
    if (!condition_.is_met_by(reading.value)) {
        return;
    }
    Object& object = objects_.try_emplace(reading.object, Object{now, now}).first->second;
    object.last_met = now;
    object.is_firing = object.is_firing || now - object.since >= condition_.hold;
}

/// A break ends what was pending at once, and what has fired when it has lasted.
void Alert::forget(TimePoint now) {
    std::erase_if(objects_, [now](const auto& entry) {
        const Object& object = entry.second;
        return now - object.last_met >= (object.is_firing ? Duration{kCalm} : Duration{1});
    });
}

void Alert::settle() {
    const bool is_firing = std::any_of(
        objects_.begin(), objects_.end(), [](const auto& entry) { return entry.second.is_firing; });
    const AlertState calm = objects_.empty() ? AlertState::Quiet : AlertState::Pending;
    state_ = is_firing ? AlertState::Firing : calm;
    bool is_first = true;
    for (const auto& [name, object] : objects_) {
        if (object.is_firing == is_firing && (is_first || object.since < since_)) {
            since_ = object.since;
            is_first = false;
        }
    }
}

/// @return whether that object is what the alert's state is about
bool Alert::is_candidate(const std::string& object) const {
    if (state_ == AlertState::Quiet) {
        return true;
    }
    const auto found = objects_.find(object);
    return found != objects_.end() && found->second.is_firing == (state_ == AlertState::Firing);
}

void Alert::choose_object(std::span<const AlertReading> readings) {
    const AlertReading* worst = nullptr;
    for (const AlertReading& reading : readings) {
        const bool is_worst = worst == nullptr || condition_.is_worse(reading.value, worst->value);
        if (is_worst && !std::isnan(reading.value) && is_candidate(reading.object)) {
            worst = &reading;
        }
    }
    if (worst != nullptr) {
        object_ = worst->object;
        value_ = worst->value;
        return;
    }
    value_.reset();
    const auto firing = std::find_if(
        objects_.begin(), objects_.end(), [](const auto& entry) { return entry.second.is_firing; });
    object_ = firing == objects_.end() ? object_ : firing->first;
}

}  // namespace weir::policies
