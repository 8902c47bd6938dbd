#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir::maintenance {

/// One thing that was looked at. Holds no secret.
struct DoctorCheck {
    enum class State : std::uint8_t {
        Fine,
        Note,      ///< worth knowing, and nothing has to be done
        Finding,   ///< something will not work as configured
        Critical,  ///< Weir cannot do its work
    };

    State state = State::Fine;
    std::string area;     ///< "settings", "member", "privileges"
    std::string subject;  ///< "main 127.0.0.1:5432"
    std::string text;
    std::string fix = {};  ///< the statement or setting that would mend it; "" = none
};

using DoctorChecks = std::vector<DoctorCheck>;

[[nodiscard]] constexpr std::string_view name_of(DoctorCheck::State state) {
    switch (state) {
        case DoctorCheck::State::Fine: return "fine";
        case DoctorCheck::State::Note: return "note";
        case DoctorCheck::State::Finding: return "finding";
        case DoctorCheck::State::Critical: return "critical";
    }
    return "";
}

}  // namespace weir::maintenance
