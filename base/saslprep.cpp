#include "base/saslprep.hpp"

#include <idn-free.h>
#include <stringprep.h>

#include <algorithm>
#include <memory>

namespace weir {

std::string saslprep(std::string_view password) {
    constexpr unsigned char kFirstBeyondAscii = 0x80;
    std::string raw{password};
    const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < kFirstBeyondAscii; };
    if (raw.size() > kSaslprepBytesMax || std::all_of(raw.begin(), raw.end(), is_ascii)) {
        return raw;
    }
    const auto free_text = [](char* text) { idn_free(text); };
    char* prepared = nullptr;
    if (stringprep_profile(raw.c_str(), &prepared, "SASLprep", Stringprep_profile_flags{}) !=
        STRINGPREP_OK) {
        return raw;
    }
    const std::unique_ptr<char, decltype(free_text)> owned{prepared, free_text};
    return prepared;
}

}  // namespace weir
