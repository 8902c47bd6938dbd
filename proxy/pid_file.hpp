#pragma once

#include "net/fd.hpp"

#include <memory>
#include <string>

namespace weir::proxy {

/// A file with the process id in it, locked for as long as the process lives. The destructor
/// removes it.
class PidFile {
public:
    /// @param problem what is wrong, for a person, when the result is null: that another process
    /// holds it, or that it cannot be written
    [[nodiscard]] static std::unique_ptr<PidFile> open(const std::string& path,
                                                       std::string& problem);
    PidFile(const PidFile&) = delete;
    PidFile& operator=(const PidFile&) = delete;
    PidFile(PidFile&&) = delete;
    PidFile& operator=(PidFile&&) = delete;
    ~PidFile();

private:
    PidFile(std::string path, net::Fd fd) : path_{std::move(path)}, fd_{std::move(fd)} {}

    std::string path_;
    net::Fd fd_;
};

}  // namespace weir::proxy
