-- The groups that each customer belongs to.
with known_customers as (
    select * from intermediate.known_customers
),

customer_value as (
    select * from marts.customer_value
),

lifecycle_stages as (
    select * from marts.lifecycle_stages
),

behaviour_features as (
    select * from intermediate.behaviour_features
),

behaviour_clusters as (
    select * from intermediate.behaviour_clusters
),

age_bands as (
    select * from seeds.age_bands
),

ages as (
    select
        customer_id,
        case
            when birth_date <= $as_of
                then months_between(birth_date, $as_of) / 12
        end as age
    from known_customers
),

-- The bands of the ages that occur; of bands that overlap the youngest.
banded_ages as (
    select
        distinct_ages.age,
        first_value(
            age_bands.band order by age_bands.from_years, age_bands.band
        ) as age_band
    from (select distinct age from ages) as distinct_ages
    inner join age_bands
        on
            distinct_ages.age >= age_bands.from_years
            and (
                distinct_ages.age < age_bands.to_years
                or age_bands.to_years is null
            )
    group by distinct_ages.age
),

-- The clusters as the function takes them: one row.
model as (
    select
        named_struct(
            'means',
            first_value(
                [
                    purchase_days_mean,
                    days_since_last_purchase_mean,
                    revenue_per_purchase_day_mean,
                    products_mean,
                    inbound_interactions_90d_mean
                ]
                order by cluster
            ),
            'deviations',
            first_value(
                [
                    purchase_days_deviation,
                    days_since_last_purchase_deviation,
                    revenue_per_purchase_day_deviation,
                    products_deviation,
                    inbound_interactions_90d_deviation
                ]
                order by cluster
            ),
            'centres',
            array_agg(
                [
                    purchase_days_centre,
                    days_since_last_purchase_centre,
                    revenue_per_purchase_day_centre,
                    products_centre,
                    inbound_interactions_90d_centre
                ]
                order by cluster
            )
        ) as model
    from behaviour_clusters
),

clustered as (
    select
        behaviour_features.customer_id,
        kmeans_cluster(
            model.model,
            [
                ln(1.0 + behaviour_features.purchase_days),
                ln(1.0 + behaviour_features.days_since_last_purchase),
                ln(1.0 + behaviour_features.revenue_per_purchase_day),
                ln(1.0 + behaviour_features.products),
                ln(1.0 + behaviour_features.inbound_interactions_90d)
            ]
        ) as behaviour_cluster
    from behaviour_features
    cross join model
),

final as (
    select
        known_customers.customer_id,
        banded_ages.age_band,
        known_customers.gender,
        known_customers.income_band,
        known_customers.occupation,
        known_customers.persona,
        known_customers.country,
        known_customers.region,
        customer_value.rfm_segment,
        customer_value.value_tier,
        lifecycle_stages.stage,
        clustered.behaviour_cluster
    from known_customers
    inner join ages on known_customers.customer_id = ages.customer_id
    left join banded_ages on ages.age = banded_ages.age
    left join customer_value
        on known_customers.customer_id = customer_value.customer_id
    left join lifecycle_stages
        on known_customers.customer_id = lifecycle_stages.customer_id
    left join clustered
        on known_customers.customer_id = clustered.customer_id
)

select * from final
