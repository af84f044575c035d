//! The client: `client ADDRESS` with that of Trefoil's Thrift endpoint. Fails if an answer is not what it should be.

use std::{error::Error, net::SocketAddr};

use trefoil_typed_rust::{Currency, Line, PricingClientBuilder, PricingQuoteException};
use volo_thrift::{ClientError, MaybeException, codec::default::DefaultMakeCodec};

fn line(article: &'static str, count: i32, price: i64) -> Line {
    Line {
        article: article.into(),
        count,
        price,
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address: SocketAddr = std::env::args()
        .nth(1)
        .ok_or("usage: client ADDRESS")?
        .parse()?;
    // The name is for logs of this process; methods are found by their own names.
    let client = PricingClientBuilder::new("pricing")
        .make_codec(DefaultMakeCodec::framed())
        .address(address)
        .build();

    let lines = vec![line("screw", 100, 5), line("nut", 100, 4)];
    match client.quote(lines, Currency::EUR).await? {
        MaybeException::Ok(quote) if quote.total == 900 => println!("total: {}", quote.total),
        _ => return Err("a total of 900 was expected".into()),
    }

    let lines = vec![line("ship", 1, 2_000_000)];
    match client.quote(lines, Currency::USD).await? {
        MaybeException::Exception(PricingQuoteException::TooMuch(error)) => {
            println!("declared: {}", error.message);
        }
        MaybeException::Ok(_) => return Err("an exception was expected".into()),
    }

    // A rule of the contract is broken: the service never sees it.
    match client.quote(vec![line("nut", 0, 4)], Currency::EUR).await {
        Err(ClientError::Application(error)) => println!("refused: {}", error.message()),
        _ => return Err("a refusal was expected".into()),
    }

    client.seen("nut".into()).await?;
    Ok(())
}
