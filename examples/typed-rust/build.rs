//! Generates types and traits of the contract that the platform serves.

fn main() {
    const CONTRACT: &str = "services/pricing/contract.thrift";
    println!("cargo::rerun-if-changed={CONTRACT}");
    if let Err(error) = volo_build::Builder::thrift().add_service(CONTRACT).write() {
        println!("cargo::error={CONTRACT}: {error}");
    }
}
