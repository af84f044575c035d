//! The service: `provider ADDRESS`, port 0 for a free one. Says where it listens.
//!
//! It is meant to stand behind Trefoil, which has checked every message against the contract before it comes here. What it
//! is built with trusts lengths that come over the wire, so nobody else should reach it.

use std::{error::Error, net::TcpListener};

use trefoil_typed_rust::{
    Currency, Line, Pricing, PricingQuoteException, PricingServer, Quote, TooMuch,
};
use volo_thrift::{MaybeException, ServerError, codec::default::DefaultMakeCodec};

/// The most that one order may cost, in hundredths.
const TOTAL_MAX: i64 = 1_000_000;

struct Prices;

impl Pricing for Prices {
    async fn quote(
        &self,
        lines: Vec<Line>,
        currency: Currency,
    ) -> Result<MaybeException<Quote, PricingQuoteException>, ServerError> {
        // Counts and prices are in the bounds that the contract gives them, so only the sum can be too much.
        let total = lines
            .iter()
            .map(|line| i64::from(line.count).saturating_mul(line.price))
            .fold(0_i64, i64::saturating_add);
        if total > TOTAL_MAX {
            let too_much = TooMuch {
                message: format!("{total} is more than an order may cost").into(),
                limit: TOTAL_MAX,
            };
            return Ok(MaybeException::Exception(PricingQuoteException::TooMuch(
                too_much,
            )));
        }
        Ok(MaybeException::Ok(Quote {
            total,
            currency,
            notes: None,
        }))
    }

    async fn seen(&self, article: pilota::FastStr) -> Result<(), ServerError> {
        println!("seen: {article}");
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:0".to_owned());
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    println!("{}", listener.local_addr()?);
    let listener = tokio::net::TcpListener::from_std(listener)?;
    PricingServer::new(Prices)
        .make_codec(DefaultMakeCodec::framed())
        .run(volo::net::incoming::DefaultIncoming::from(listener))
        .await
        .map_err(|error| error.to_string().into())
}
